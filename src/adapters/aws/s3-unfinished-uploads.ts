import type { ListMultipartUploadsCommandOutput } from '@aws-sdk/client-s3';
import { isObjectKey } from '../../domain/object-key.ts';
import { abortUpload } from './s3-multipart-upload.ts';
import type { S3Requests } from './s3-requests.ts';

/**
 * Gives up every multipart upload below a prefix: what processes that were killed have left, and what nobody sees and
 * everybody pays for. The storage does not tell whose an upload is: only for a prefix to which nobody writes any more.
 * @returns how many there were
 */
export async function abortUnfinished(requests: S3Requests, prefix: string): Promise<number> {
  const found: { key: string; id: string }[] = [];
  for await (const upload of unfinishedUploads(requests, prefix)) found.push(upload);
  for (const { key, id } of found) await abortUpload(requests, key, id);
  return found.length;
}

interface Marker {
  readonly KeyMarker?: string | undefined;
  readonly UploadIdMarker?: string | undefined;
}

async function* unfinishedUploads(requests: S3Requests, prefix: string): AsyncIterable<{ key: string; id: string }> {
  const { place } = requests;
  for (let marker: Marker | undefined = {}; marker;) {
    const page = await listPage(requests, prefix, marker);
    for (const { Key, UploadId } of page.Uploads ?? []) {
      const key = Key?.slice(place.prefix.length) ?? '';
      if (UploadId !== undefined && isObjectKey(key)) yield { key, id: UploadId };
    }
    const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = page;
    marker = IsTruncated ? { KeyMarker: NextKeyMarker, UploadIdMarker: NextUploadIdMarker } : undefined;
  }
}

function listPage(requests: S3Requests, prefix: string, marker: Marker): Promise<ListMultipartUploadsCommandOutput> {
  const { bucket, prefix: place } = requests.place;
  return requests.send({
    operation: 'ListMultipartUploads',
    key: prefix,
    run: ({ sdk, client, options }) =>
      client.send(new sdk.ListMultipartUploadsCommand({ Bucket: bucket, Prefix: place + prefix, ...marker }), options),
  });
}
