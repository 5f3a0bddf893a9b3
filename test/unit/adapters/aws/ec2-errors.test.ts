import { describe, expect, test } from 'vitest';
import { askAboutSource, askAboutTarget } from '../../../../src/adapters/aws/ec2-errors.ts';
import { HoldfastError } from '../../../../src/domain/errors.ts';

const request = { action: 'ec2:CreateSnapshot', on: 'vol-1 of db-3:27017' } as const;

/** As the SDK throws what EC2 answers: its code is the name. */
const answer = (name: string, message = 'the words of EC2', httpStatusCode = 400) =>
  Object.assign(new Error(message), { name, $metadata: { httpStatusCode } });

// Codes and their meanings: docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
const table: readonly (readonly [error: Error, source: string, target: string])[] = [
  [answer('UnauthorizedOperation', 'You are not authorized', 403), 'PermissionDenied', 'PermissionDenied'],
  [answer('AuthFailure', 'AWS was not able to validate', 401), 'PermissionDenied', 'PermissionDenied'],
  [answer('OptInRequired', 'not subscribed', 401), 'PermissionDenied', 'PermissionDenied'],
  [answer('InvalidVolume.NotFound'), 'VolumeNotFound', 'TargetNotSuitable'],
  [answer('InvalidVolumeID.Malformed'), 'VolumeNotFound', 'TargetNotSuitable'],
  [
    answer('InvalidParameterValue', "Value (vol-x) for parameter volumes is invalid. Expected: 'vol-...'."),
    ...(['VolumeNotFound', 'TargetNotSuitable'] as const),
  ],
  [
    answer('InvalidParameterValue', 'Value (x) for parameter device is invalid.'),
    'SnapshotFailed',
    'TargetNotSuitable',
  ],
  [answer('InvalidInstanceID.NotFound'), 'VolumeNotFound', 'TargetNotSuitable'],
  [answer('InvalidSnapshot.NotFound'), 'SnapshotFailed', 'TargetNotSuitable'],
  [answer('InvalidSnapshot.InUse', 'in use by ami-1'), 'SnapshotFailed', 'TargetNotSuitable'],
  [answer('InvalidSubnetID.NotFound'), 'InvalidConfig', 'InvalidConfig'],
  [answer('IncorrectState', "vol-1 is not 'available'."), 'SnapshotFailed', 'TargetNotSuitable'],
  [answer('IncorrectInstanceState'), 'SnapshotFailed', 'TargetNotSuitable'],
  [answer('VolumeInUse'), 'SnapshotFailed', 'TargetNotSuitable'],
  [answer('InvalidVolume.ZoneMismatch'), 'SnapshotFailed', 'TargetNotSuitable'],
  [answer('UnsupportedOperation'), 'SnapshotFailed', 'TargetNotSuitable'],
  [answer('InvalidParameter', 'Given key ID is not accessible'), 'VolumeKeyUnavailable', 'VolumeKeyUnavailable'],
  [answer('KMS.DisabledException', 'arn:aws:kms:… is disabled.'), 'VolumeKeyUnavailable', 'VolumeKeyUnavailable'],
  [answer('CustomerKeyHasBeenRevoked', 'no access'), 'VolumeKeyUnavailable', 'VolumeKeyUnavailable'],
  [answer('SnapshotLimitExceeded'), 'QuotaReached', 'QuotaReached'],
  [answer('VolumeLimitExceeded'), 'QuotaReached', 'QuotaReached'],
  [answer('MaxIOPSLimitExceeded'), 'QuotaReached', 'QuotaReached'],
  [answer('ResourceCountExceeded'), 'QuotaReached', 'QuotaReached'],
  [answer('AttachmentLimitExceeded'), 'QuotaReached', 'QuotaReached'],
  [answer('RequestLimitExceeded', 'Request limit exceeded.', 503), 'SnapshotFailed', 'TargetUnreachable'],
  [answer('Throttling', 'Rate exceeded'), 'SnapshotFailed', 'TargetUnreachable'],
  [answer('SnapshotCreationPerVolumeRateExceeded'), 'SnapshotFailed', 'TargetUnreachable'],
  [answer('ConcurrentSnapshotLimitExceeded'), 'SnapshotFailed', 'TargetUnreachable'],
  [answer('PendingSnapshotLimitExceeded'), 'SnapshotFailed', 'TargetUnreachable'],
  [answer('ConcurrentTagAccess'), 'SnapshotFailed', 'TargetUnreachable'],
  [answer('InternalError', 'An internal error has occurred', 500), 'SnapshotFailed', 'TargetUnreachable'],
  [answer('InsufficientVolumeCapacity', 'not enough', 500), 'SnapshotFailed', 'TargetUnreachable'],
  [answer('Unavailable', 'The server is overloaded', 503), 'SnapshotFailed', 'TargetUnreachable'],
];

const retried = ['SnapshotFailed', 'TargetUnreachable'];

describe('what EC2 refuses', () => {
  test.each(table.map(([error, source, target]) => [error.name, error.message, source, target, error] as const))(
    '%s (%s) is %s at the source and %s at the target, with action, resource and words',
    async (name, message, source, target, error) => {
      const named = { message: `EC2 refused ec2:CreateSnapshot on vol-1 of db-3:27017: ${name}: ${message}` };
      await expect(askAboutSource(Promise.reject(error), request)).rejects.toMatchObject({ name: source, ...named });
      await expect(askAboutTarget(Promise.reject(error), request)).rejects.toMatchObject({ name: target, ...named });
    },
  );

  test('says what to do next, and only what may pass is tried again', async () => {
    for (const [error, source] of table) {
      const told = await askAboutSource(Promise.reject(error), request).catch((reason: unknown) => reason);
      expect(told).toBeInstanceOf(HoldfastError);
      expect((told as HoldfastError).next.length).toBeGreaterThan(20);
      expect((told as HoldfastError).retryable).toBe(retried.includes(source));
    }
  });

  test('is none where the caller knows the code', async () => {
    const gone = Promise.reject<string>(answer('InvalidVolume.NotFound'));
    expect(await askAboutTarget(gone, request, ['InvalidVolume.NotFound'])).toBeUndefined();
    expect(await askAboutTarget(Promise.resolve('there'), request, ['InvalidVolume.NotFound'])).toBe('there');
  });
});

describe('what EC2 does not answer', () => {
  test.each([
    ['SnapshotFailed', askAboutSource],
    ['TargetUnreachable', askAboutTarget],
  ])('is %s, and asked again', async (name, ask) => {
    await expect(ask(Promise.reject(new Error('connect ETIMEDOUT')), request)).rejects.toMatchObject({
      ...{ name, message: 'EC2 did not answer ec2:CreateSnapshot on vol-1 of db-3:27017: Error: connect ETIMEDOUT' },
      next: expect.stringContaining('asks again by itself') as string,
    });
  });

  test('is also an answer that was cut', async () => {
    const cut = answer('Error', 'XML parse error: mismatched tags', 200);
    await expect(askAboutTarget(Promise.reject(cut), request)).rejects.toMatchObject({ name: 'TargetUnreachable' });
  });

  test('passes an error of the product on as it is', async () => {
    const own = new HoldfastError('VolumeLayoutUnsupported', 'too many');
    await expect(askAboutSource(Promise.reject(own), request)).rejects.toBe(own);
  });
});
