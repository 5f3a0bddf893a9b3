import { GetSecretValueCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { HoldfastError } from '../../domain/errors.ts';

/**
 * Reads a secret's text by its ARN, anew at each call: a rotated secret holds from the next connection on.
 * @throws CredentialsUnavailable; its message names the ARN, never the text
 */
export function secretReader(client: SecretsManagerClient): (arn: string) => Promise<string> {
  return async (arn) => {
    const text = await readText(client, arn);
    if (text !== undefined) return text;
    throw new HoldfastError('CredentialsUnavailable', `the secret ${arn} holds bytes, not text`, {
      next: 'Store it as text: {"username": …, "password": …}.',
    });
  };
}

async function readText(client: SecretsManagerClient, arn: string): Promise<string | undefined> {
  try {
    return (await client.send(new GetSecretValueCommand({ SecretId: arn }))).SecretString;
  } catch (error) {
    const reason = error instanceof Error ? error.name : String(error);
    throw new HoldfastError('CredentialsUnavailable', `the secret ${arn} cannot be read (${reason})`, {
      cause: error,
      next: 'Check that the secret exists in this account and Region, and that its KMS key lets the role of this function or task decrypt it.',
    });
  }
}
