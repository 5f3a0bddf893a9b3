import type * as iam from 'aws-cdk-lib/aws-iam';
import { startOf } from './api-permissions.ts';
import { grantPublish, type GrantsProps, grantReadConfig } from './grants-props.ts';

type Grant = (role: iam.Role) => void;

/** The functions of the oplog archive. They can write slices and gaps, and delete nothing. */
export function archiveGrants(
  props: GrantsProps,
): Readonly<Record<'FindReplicaSets' | 'ArchiveOplog' | 'StartNewBase', Grant>> {
  const { permissions } = props;
  return {
    FindReplicaSets: (role) => {
      permissions.useKey(role);
      grantReadConfig(role, props);
      permissions.readDatabaseUsers(role, 'credentials');
    },
    ArchiveOplog: (role) => {
      permissions.readState(role, ['archives', 'leases']);
      permissions.writeState(role, ['archives', 'leases']);
      grantReadConfig(role, props);
      permissions.readDatabaseUsers(role, 'credentials');
      permissions.readArtifacts(role);
      permissions.writeArtifacts(role, '*/oplog/*');
      grantPublish(role, props);
    },
    StartNewBase: (role) => {
      permissions.readState(role, ['archives', 'leases']);
      permissions.writeState(role, ['archives']);
      permissions.readArtifacts(role);
      startOf('backup', props)(role);
    },
  };
}
