import type { DeploymentSettings } from '../../domain/settings.ts';
import type { Topology } from '../../domain/topology.ts';

/** Looks at a deployment with the backup user's credentials. */
export interface DeploymentInspector {
  /**
   * Discovers kind, parts, members, versions, FCV, lag and oplog windows, and checks that the user has every privilege
   * of a backup. Writes nothing.
   * @throws SourceUnreachable, AuthenticationFailed, MissingPrivileges (all of them, each named), UnsupportedVersion, CredentialsUnavailable
   */
  inspect(settings: DeploymentSettings, signal?: AbortSignal): Promise<Topology>;
}
