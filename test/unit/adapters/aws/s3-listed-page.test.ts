import { Readable } from 'node:stream';
import * as sdk from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readFailure } from '../../../../src/adapters/aws/s3-failures.ts';
import { listPage, takeContents } from '../../../../src/adapters/aws/s3-listed-page.ts';

const escaped = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
const content = (key: string, more = '') =>
  `<Contents><Key>${key}</Key><LastModified>2026-11-23T08:00:00.000Z</LastModified><ETag>&quot;0a1b&quot;</ETag>` +
  `<Size>12</Size>${more}<StorageClass>STANDARD</StorageClass></Contents>`;
const pageOf = (contents: string, token = 'a&amp;b') =>
  '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>' +
  `<Prefix>p/</Prefix><IsTruncated>true</IsTruncated>${contents}<NextContinuationToken>${token}</NextContinuationToken>` +
  '</ListBucketResult>';

function clientOf(body: string | Readable, statusCode = 200): sdk.S3Client {
  return new sdk.S3Client({
    region: 'x',
    maxAttempts: 1,
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    requestHandler: {
      handle: () =>
        Promise.resolve({
          response: {
            statusCode,
            headers: {},
            body: typeof body === 'string' ? Readable.from([Buffer.from(body)]) : body,
          },
        }),
    },
  });
}
const options = { abortSignal: new AbortController().signal };
const read = (body: string, statusCode?: number) =>
  listPage({ sdk, client: clientOf(body, statusCode), options }, { Bucket: 'b' });

async function readBySdk(body: string) {
  const page = await clientOf(body).send(new sdk.ListObjectsV2Command({ Bucket: 'b' }));
  const contents = (page.Contents ?? []).map(({ Key: key, Size: size, ETag: etag }) => ({ key, size, etag }));
  return { contents, next: page.NextContinuationToken };
}

const owner = '<Owner><ID>1</ID><DisplayName>me</DisplayName></Owner>';
const awkward = {
  nothing: '',
  'one in the middle without a size': `${content('a')}<Contents><Key>b</Key><ETag>e</ETag></Contents>${content('c')}`,
  'one without a version': `<Contents><Key>b</Key><Size>1</Size></Contents>`,
  CDATA: content('<![CDATA[a<b]]>'),
  'a comment between them': `${content('a')}<!-- more -->${content('b')}`,
  'common prefixes between them': `${content('a')}<CommonPrefixes><Prefix>x</Prefix></CommonPrefixes>${content('b')}`,
  'a number as a character': content('a&#65;b&#x42;'),
  'white space around a key': content(' a '),
  'Windows lines': `${content('a')}\r\n${content('b')}`,
  'a part of an owner that is named as its own': `<Contents><Owner><Key>z</Key></Owner>${content('a').slice('<Contents>'.length)}`,
  'an empty one': `<Contents/>${content('b')}`,
};

describe('a page of a listing', () => {
  test('is what the SDK reads in it, whatever the keys are (property)', async () => {
    const key = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
      .map((text) => text.replaceAll(/[\x00-\x1f\x7f-\x9f\ufffe\uffff]/g, '_'));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(key, fc.boolean()), { maxLength: 5 }), fc.boolean(), async (keys, pretty) => {
        const page = pageOf(
          keys.map(([one, owned]) => content(escaped(one), owned ? owner : '')).join(pretty ? '\n  ' : ''),
        );
        expect(await read(page)).toEqual(await readBySdk(page));
      }),
    );
  });

  test.each(Object.entries(awkward))('is left to the SDK where it has %s', async (_, contents) => {
    expect(takeContents(pageOf(contents))).toBeUndefined();
    expect(await read(pageOf(contents))).toEqual(await readBySdk(pageOf(contents)));
  });

  test.each(['', '<html><body>Log in</body></html>', '<?xml version="1.0"?><Error/>'])(
    'is none where the answer is another: %j',
    async (body) => {
      await expect(read(body)).rejects.toMatchObject({ code: 'MalformedAnswer' });
    },
  );

  test('that is not the last must say where the next begins', async () => {
    const old = pageOf(content('a')).replace(/<Next.*<\/NextContinuationToken>/, '<NextMarker>a</NextMarker>');
    await expect(read(old)).rejects.toMatchObject({ code: 'MalformedAnswer' });
  });

  test('of a thousand slices costs the SDK none of them', () => {
    const contents = Array.from({ length: 1000 }, (_, n) => content(`p/${n}.bson.zst`)).join('');
    const taken = takeContents(pageOf(contents));
    expect(taken?.contents).toHaveLength(1000);
    expect(taken?.contents[7]).toEqual({ key: 'p/7.bson.zst', size: 12, etag: '"0a1b"' });
    expect(taken?.rest).toBe(pageOf(''));
  });

  test.each([
    ['whose connection breaks', () => Object.assign(new Error('aborted'), { code: 'ECONNRESET' })],
    ['that ends too early', () => undefined],
  ])('%s fails as it does in the SDK', async (_, broken) => {
    const whole = pageOf(content('a') + content('b'));
    const half = () =>
      new Readable({
        read() {
          this.push(whole.slice(0, whole.indexOf('<Key>b')));
          const error = broken();
          if (error) this.destroy(error);
          else this.push(null);
        },
      });
    const failureOf = async (work: Promise<unknown>) => {
      const error: unknown = await work.then(
        () => 'none',
        (reason: unknown) => reason,
      );
      const { retryable, code } = readFailure(error);
      return { retryable, code };
    };
    const client = () => clientOf(half());
    const ours = await failureOf(listPage({ sdk, client: client(), options }, { Bucket: 'b' }));
    expect(ours).toEqual(await failureOf(client().send(new sdk.ListObjectsV2Command({ Bucket: 'b' }))));
    expect(ours.code).not.toBe('none');
  });

  test('that is an error is one', async () => {
    const error = '<Error><Code>NoSuchBucket</Code><Message>gone</Message></Error>';
    await expect(read(error, 404)).rejects.toMatchObject({ name: 'NoSuchBucket' });
  });
});
