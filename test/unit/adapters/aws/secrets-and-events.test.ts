import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { mockClient } from 'aws-sdk-client-mock';
import { describe, expect, it } from 'vitest';
import { EventBridgeEventPublisher } from '../../../../src/adapters/aws/eventbridge-event-publisher.ts';
import { secretReader } from '../../../../src/adapters/aws/read-secret.ts';
import { resolveCredentials } from '../../../../src/adapters/mongodb/resolve-credentials.ts';

const secrets = mockClient(SecretsManagerClient);
const events = mockClient(EventBridgeClient);
const readSecret = secretReader(new SecretsManagerClient({ region: 'eu-central-1' }));
const arn = 'arn:aws:secretsmanager:eu-central-1:1:secret:orders-AbCdEf';

describe('credentials in Secrets Manager', () => {
  it('are read anew each time, so that a rotation holds at once', async () => {
    secrets.on(GetSecretValueCommand).resolvesOnce({ SecretString: 'a:1' }).resolves({ SecretString: 'a:2' });
    const texts = [await resolveCredentials(arn, { readSecret }), await resolveCredentials(arn, { readSecret })];
    expect(texts.map((secret) => secret?.reveal())).toEqual(['a:1', 'a:2']);
  });

  it('that can’t be read are an error that names the secret', async () => {
    secrets.on(GetSecretValueCommand).rejects(Object.assign(new Error('x'), { name: 'AccessDeniedException' }));
    await expect(readSecret(arn)).rejects.toMatchObject({
      name: 'CredentialsUnavailable',
      message: expect.stringMatching(/orders-AbCdEf.*AccessDenied/) as string,
    });
  });

  it('that are no text, or empty, are refused', async () => {
    secrets.on(GetSecretValueCommand).resolves({ SecretBinary: new Uint8Array(3) });
    await expect(readSecret(arn)).rejects.toMatchObject({
      name: 'CredentialsUnavailable',
      message: expect.stringMatching(/bytes, not text/) as string,
    });
    secrets.on(GetSecretValueCommand).resolves({ SecretString: '\n' });
    await expect(resolveCredentials(arn, { readSecret })).rejects.toMatchObject({ name: 'CredentialsUnavailable' });
  });
});

describe('EventBridgeEventPublisher', () => {
  const publisher = new EventBridgeEventPublisher(new EventBridgeClient({ region: 'eu-central-1' }));
  const event = { detailType: 'Backup completed', detail: { runId: 'r1' } };

  it('publishes with the product as the source', async () => {
    events.on(PutEventsCommand).resolves({ FailedEntryCount: 0, Entries: [{ EventId: '1' }] });
    await publisher.publish(event);
    expect(events.commandCalls(PutEventsCommand)[0]?.args[0].input.Entries).toEqual([
      { Source: 'holdfast', DetailType: 'Backup completed', Detail: '{"runId":"r1"}' },
    ]);
  });

  it('notices an entry that was refused in an answer that is a success', async () => {
    events.on(PutEventsCommand).resolves({ FailedEntryCount: 1, Entries: [{ ErrorCode: 'InternalFailure' }] });
    await expect(publisher.publish(event)).rejects.toThrow(/refused the event Backup completed: InternalFailure/);
  });
});
