import type { CredentialsSource } from '../src/domain/settings.ts';

/**
 * Where credentials come from on AWS.
 * @param where of the config, for the message
 * @throws at synth: functions and tasks have neither the variables nor the files of this machine
 */
export function secretArn(where: string, source: CredentialsSource | undefined): string | undefined {
  if (source === undefined || typeof source === 'string') return source;
  // eslint-disable-next-line no-restricted-syntax -- a fault of the synthesis, which ends with its message
  throw new Error(`${where}: on AWS they are the ARN of a secret of Secrets Manager.`);
}
