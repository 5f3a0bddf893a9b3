import * as cdk from 'aws-cdk-lib';
import * as iam from 'aws-cdk-lib/aws-iam';
import { flattenCfnReference } from 'cdk-nag/lib/utils/flatten-cfn-reference.js';

export interface Permission {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly conditions?: Readonly<Record<string, unknown>>;
  /** Why a `*` in a resource can't be narrower; demanded where there is one. */
  readonly because?: string;
}

/**
 * Lets a role do something. A `*` in a resource has its reason here, beside it, where cdk-nag takes it from.
 * @throws when a `*` comes without a reason
 */
export function grant(role: iam.Role, { actions, resources, conditions, because }: Permission): void {
  role.addToPolicy(
    new iam.PolicyStatement({
      actions: [...actions],
      resources: [...resources],
      ...(conditions && { conditions: { ...conditions } }),
    }),
  );
  for (const resource of resources) {
    const shown = flattenCfnReference(cdk.Stack.of(role).resolve(resource));
    if (shown.includes('*')) acceptWildcard(role, `Resource::${shown}`, because);
  }
}

/** Accepts a finding of cdk-nag's rule about `*` in policies for a statement that CDK makes itself. */
export function acceptWildcard(role: iam.IRole, finding: string, reason: string | undefined): void {
  // eslint-disable-next-line no-restricted-syntax -- a fault of the synthesis, which ends with its message
  if (reason === undefined) throw new Error(`${role.node.path}: ${finding} needs a reason`);
  cdk.Validations.of(role).acknowledge({ id: `AwsSolutions-IAM5[${finding}]`, reason });
}
