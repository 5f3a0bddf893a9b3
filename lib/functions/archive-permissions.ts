import type * as iam from 'aws-cdk-lib/aws-iam';
import { startOf } from './api-permissions.ts';
import { grantPrune } from './prune-permissions.ts';
import { grantPublish, type GrantsProps, grantReadConfig } from './grants-props.ts';

type Grant = (role: iam.Role) => void;

/** The functions of the oplog archive. Who writes slices and gaps can delete nothing. */
export function archiveGrants(
  props: GrantsProps,
): Readonly<Record<'FindReplicaSets' | 'ArchiveOplog' | 'StartNewBase' | 'CheckArchives' | 'PruneArchives', Grant>> {
  const { permissions } = props;
  return {
    FindReplicaSets: (role) => {
      permissions.readState(role, ['archives']);
      permissions.writeState(role, ['archives']);
      grantReadConfig(role, props);
      permissions.readDatabaseUsers(role, 'credentials');
      grantPublish(role, props);
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
    CheckArchives: (role) => {
      permissions.readState(role, ['archives']);
      permissions.writeState(role, ['archives']);
      grantReadConfig(role, props);
      permissions.readArtifacts(role);
      permissions.writeGaps(role);
      permissions.writeSliceIndexes(role);
      grantPublish(role, props);
    },
    PruneArchives: (role) => {
      grantPrune(role, props);
    },
    StartNewBase: (role) => {
      permissions.readState(role, ['archives', 'leases']);
      permissions.writeState(role, ['archives']);
      permissions.readArtifacts(role);
      startOf('backup', props)(role);
    },
  };
}
