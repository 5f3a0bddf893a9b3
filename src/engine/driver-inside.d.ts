/** What Holdfast uses of the pinned driver's inside, which declares no types for it. Imported as modules, so that a bundle has them. */

declare module 'mongodb/lib/cmap/connect.js' {
  import type { Socket } from 'node:net';
  import type { Writable } from 'node:stream';

  /** Makes the socket unless it is given one, says hello, authenticates. */
  export function connect(options: object): Promise<{
    readonly socket: Socket;
    readonly messageStream: Writable;
  }>;
}

declare module 'mongodb/lib/utils.js' {
  import type { HostAddress as Address } from 'mongodb';

  export const HostAddress: new (host: string) => Address;
}
