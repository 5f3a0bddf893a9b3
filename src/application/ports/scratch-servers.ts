/** A mongod of our own for the time of one piece of work: on 127.0.0.1, never longer there than this process. */
export interface ScratchServer {
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly port: number;
  /** Of the user `__system` (authSource `local`, SCRAM-SHA-256): made for this server, known to nobody else. */
  readonly password: string;
  /** `attr` of the last line with that id since this start of the server; undefined for none. */
  logged(id: number): Promise<Readonly<Record<string, unknown>> | undefined>;
  /** SIGTERM, and waits as long as it takes. @throws ScratchServerFailed unless it ended well */
  stop(): Promise<void>;
  /** SIGKILL, and waits; nothing to one that has ended. */
  kill(): Promise<void>;
}

export interface ScratchServerOptions {
  readonly dbPath: string;
  /** A free one is chosen when it is left out. */
  readonly port?: number | undefined;
  /** Beyond place, log and login, which are the server's own. */
  readonly args: readonly string[];
  /** Of what wrote the files: decides which mongod may read them. */
  readonly serverVersion: string;
  /** Kills it when aborted. */
  readonly signal: AbortSignal;
}

export interface ScratchServers {
  /** The mongod that would be started for files of that version. @throws MongodUnavailable naming what is needed and what was found */
  find(serverVersion: string): Promise<{ readonly path: string; readonly version: string }>;
  /** Starts one and waits until it takes connections, however long it recovers. @throws MongodUnavailable, ScratchServerFailed, the signal's reason */
  start(options: ScratchServerOptions): Promise<ScratchServer>;
}
