import * as cdk from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { flattenCfnReference } from 'cdk-nag/lib/utils/flatten-cfn-reference.js';

export interface Permission {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly conditions?: Readonly<Record<string, unknown>>;
  /** What the role does with it: a row of docs/operator-guide/permissions.md. */
  readonly purpose: string;
  /** Why a `*` in a resource can't be narrower; demanded where there is one. */
  readonly because?: string;
}

/** Where a role keeps what it was granted and why; the documents' generator reads it from the assembly. */
export const grantMetadata = 'holdfast:grant';

/**
 * Lets a role do something. A `*` in a resource has its reason here, beside it, where cdk-nag takes it from.
 * @throws when a `*` comes without a reason
 */
export function grant(role: iam.Role, permission: Permission): void {
  const { actions, resources, conditions, because } = permission;
  role.addToPolicy(
    new iam.PolicyStatement({
      actions: [...actions],
      resources: [...resources],
      ...(conditions && { conditions: { ...conditions } }),
    }),
  );
  role.node.addMetadata(grantMetadata, permission);
  for (const resource of resources) {
    const shown = flattenCfnReference(cdk.Stack.of(role).resolve(resource));
    if (shown.includes('*')) acceptWildcard(role, `Resource::${shown}`, because);
  }
}

/** Says what statements are for that CDK adds to a role by itself. `because`: why those of them that are on `*` can't be narrower. */
export function explainGrant(role: iam.Role, explained: Omit<Permission, 'resources' | 'conditions'>): void {
  role.node.addMetadata(grantMetadata, explained);
  if (explained.because !== undefined) acceptWildcard(role, 'Resource::*', explained.because);
}

/** Accepts a finding of cdk-nag's rule about `*` in policies. */
function acceptWildcard(role: iam.IRole, finding: string, reason: string | undefined): void {
  // eslint-disable-next-line no-restricted-syntax -- a fault of the synthesis, which ends with its message
  if (reason === undefined) throw new Error(`${role.node.path}: ${finding} needs a reason`);
  cdk.Validations.of(role).acknowledge({ id: `AwsSolutions-IAM5[${finding}]`, reason });
}
