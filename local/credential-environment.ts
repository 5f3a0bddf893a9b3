import type { CredentialsSource, Settings } from '../src/domain/settings.ts';

/** The environment variables that config and requests name as credentials: all that workers get of this process's environment. */
export class CredentialEnvironment {
  readonly values: Record<string, string | undefined> = {};

  constructor(settings: Settings) {
    for (const { credentials, restoreCredentials } of Object.values(settings.deployments)) {
      this.add(credentials);
      this.add(restoreCredentials);
    }
  }

  add(source: CredentialsSource | undefined): void {
    if (typeof source === 'object' && 'env' in source) this.values[source.env] = process.env[source.env];
  }
}
