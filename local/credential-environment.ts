import type { CredentialsSource, Settings } from '../src/domain/settings.ts';

/**
 * The environment variables that config and requests name as credentials: all that workers get of this process's environment.
 * A storage that names none is opened by the SDK's own chain, which reads variables that begin with AWS_.
 */
export class CredentialEnvironment {
  readonly values: Record<string, string | undefined> = {};

  constructor(settings: Settings) {
    for (const { credentials, restoreCredentials } of Object.values(settings.deployments)) {
      this.add(credentials);
      this.add(restoreCredentials);
    }
    for (const storage of Object.values(settings.storages)) {
      if (storage.type !== 's3') continue;
      this.add(storage.credentials);
      if (!storage.credentials)
        for (const env of Object.keys(process.env)) if (env.startsWith('AWS_')) this.add({ env });
    }
  }

  add(source: CredentialsSource | undefined): void {
    if (typeof source === 'object' && 'env' in source) this.values[source.env] = process.env[source.env];
  }
}
