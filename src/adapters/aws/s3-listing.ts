import type { ObjectInfo } from '../../application/ports/object-store.ts';
import { isObjectKey } from '../../domain/object-key.ts';
import { requireEtag } from './s3-look.ts';
import type { S3Requests } from './s3-requests.ts';

/** The objects below a prefix, a page (1,000) at a time. What no key of ours can be, such as a folder's marker, is passed over. */
export async function* listObjects(requests: S3Requests, prefix: string): AsyncIterable<ObjectInfo> {
  const { bucket, prefix: place } = requests.place;
  for (let token: string | undefined; ;) {
    const at = token;
    const page = await requests.send({
      operation: 'ListObjectsV2',
      key: prefix,
      run: ({ sdk, client, options }) =>
        client.send(
          new sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: place + prefix, ContinuationToken: at }),
          options,
        ),
    });
    for (const { Key, Size, ETag } of page.Contents ?? []) {
      const key = Key?.slice(place.length) ?? '';
      if (isObjectKey(key)) yield { key, size: Size ?? 0, etag: requireEtag(ETag) };
    }
    token = page.NextContinuationToken;
    if (token === undefined) return;
  }
}
