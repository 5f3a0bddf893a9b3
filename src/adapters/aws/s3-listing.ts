import type { ListedObject } from '../../application/ports/object-store.ts';
import { compareObjectKeys, isObjectKey } from '../../domain/object-key.ts';
import { listPage } from './s3-listed-page.ts';
import { requireEtag } from './s3-look.ts';
import type { S3Requests } from './s3-requests.ts';

/** Pages of a listing follow one another, half a million objects take a minute: so many pieces are listed at once. */
const piecesAtOnce = 8;

/** A piece of a listing: keys after the one, up to and with the other. */
interface Piece {
  readonly after?: string | undefined;
  readonly upTo?: string | undefined;
}

/**
 * The objects below a prefix, a page (1,000) at a time. What no key of ours can be, such as a folder's marker, is passed over.
 * @param dividedAt keys at which the listing is divided into pieces, which together are the whole, wherever they begin
 */
export async function* listObjects(
  requests: S3Requests,
  prefix: string,
  dividedAt: readonly string[],
): AsyncIterable<ListedObject> {
  const borders = [...new Set(dividedAt)].filter((key) => key.startsWith(prefix)).sort(compareObjectKeys);
  const pieces: Piece[] = [...borders, undefined].map((upTo, n) => ({ after: borders[n - 1], upTo }));
  const begun: Promise<ListedObject[]>[] = [];
  for (let n = 0; n < pieces.length - 1; n += 1) {
    for (const piece of pieces.slice(begun.length, Math.min(n + piecesAtOnce, pieces.length - 1))) {
      const listed = collect(listPiece(requests, prefix, piece));
      // Awaited when it is its turn; a listing that is given up must not leave a rejection behind.
      listed.catch(() => undefined);
      begun.push(listed);
    }
    yield* (await begun[n]) ?? [];
    begun[n] = Promise.resolve([]);
  }
  yield* listPiece(requests, prefix, pieces.at(-1) ?? {});
}

async function collect<T>(listed: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of listed) all.push(one);
  return all;
}

async function* listPiece(
  requests: S3Requests,
  prefix: string,
  { after, upTo }: Piece,
): AsyncGenerator<ListedObject, void> {
  const { bucket, prefix: place } = requests.place;
  for (let token: string | undefined; ;) {
    const at = token;
    const page = await requests.send({
      operation: 'ListObjectsV2',
      key: prefix,
      run: (attempt) =>
        listPage(attempt, {
          Bucket: bucket,
          Prefix: place + prefix,
          ContinuationToken: at,
          ...(after !== undefined && { StartAfter: place + after }),
        }),
    });
    for (const { key: whole, size, etag } of page.contents) {
      const key = whole?.slice(place.length) ?? '';
      if (upTo !== undefined && compareObjectKeys(key, upTo) > 0) return;
      if (isObjectKey(key)) yield { key, size: size ?? 0, version: requireEtag(etag) };
    }
    token = page.next;
    if (token === undefined) return;
  }
}
