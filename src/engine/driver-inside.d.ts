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

declare module 'mongodb/lib/cmap/connection.js' {
  import type { EventEmitter } from 'node:events';
  import type { Socket } from 'node:net';
  import type { Document, MongoDBNamespace } from 'mongodb';

  /** Emits `close` once, whatever ends it. */
  export class Connection extends EventEmitter {
    constructor(socket: Socket, options: object);
    /** Why it is closed; set before `close` is emitted. */
    readonly error: Error | null;
    /** Hands a command to the socket, and waits for room there. */
    writeCommand: (command: object, options: object) => Promise<void>;
    /** Whether hello was said and who it is for has logged in. */
    readonly established: boolean;
    /** Of the handshake, with the options that the connection is made with; `cancel` is what the pool says when it is closed. */
    readonly authContext?: {
      readonly options: { readonly connectTimeoutMS?: number; readonly cancellationToken?: EventEmitter };
    };
    command: (ns: MongoDBNamespace, command: Document, options?: object, ...rest: unknown[]) => Promise<Document>;
    destroy(): void;
  }
}

declare module 'mongodb/lib/utils.js' {
  import type { HostAddress as Address, MongoDBNamespace } from 'mongodb';

  export const HostAddress: new (host: string) => Address;
  export const ns: (name: string) => MongoDBNamespace;
}
