import type * as iam from 'aws-cdk-lib/aws-iam';
import { type GrantsProps, grantReadConfig } from './grants-props.ts';

/** Deletes slices, and nothing else; also for a request of the API. */
export function grantPrune(role: iam.Role, props: GrantsProps): void {
  const { permissions } = props;
  permissions.readState(role, ['archives', 'holds']);
  permissions.writeState(role, ['archives']);
  grantReadConfig(role, props);
  permissions.readArtifacts(role);
  permissions.pruneSlices(role);
}
