import type { Document } from 'mongodb';
import type { Logger } from '../../application/ports/logger.ts';
import { isHoldfastError } from '../../domain/errors.ts';
import type { MemberLoad } from './brake-policy.ts';
import { memberCommand, type Source } from './member-state.ts';

interface StatusMember {
  readonly state: number;
  readonly self?: boolean;
  readonly optime?: { readonly ts?: { readonly t?: number } };
}

const primary = 1;

/**
 * Seconds behind the primary, as the member itself knows from its heartbeats: both optimes are of one answer.
 * @returns undefined while it knows of no primary
 */
export function lagOf(members: readonly StatusMember[]): number | undefined {
  const seconds = (member: StatusMember | undefined): number | undefined => member?.optime?.ts?.t;
  const head = seconds(members.find(({ state }) => state === primary));
  const own = seconds(members.find(({ self }) => self === true));
  return head === undefined || own === undefined ? undefined : Math.max(0, head - own);
}

/** Sections of serverStatus that cost something and are not looked at (`metrics` and the like are on by default). */
const leftOut = { metrics: 0, locks: 0, opLatencies: 0, tcmalloc: 0, sharding: 0, network: 0, repl: 0 };

async function dirtyFraction(source: Source): Promise<number | undefined> {
  const status = await memberCommand(source, 'admin', { serverStatus: 1, ...leftOut });
  const cache = (status['wiredTiger'] as { cache?: Document } | undefined)?.cache;
  const bytes = (name: string): number => Number(cache?.[name]);
  const fraction = bytes('tracked dirty bytes in the cache') / bytes('maximum bytes configured');
  return Number.isFinite(fraction) ? fraction : undefined;
}

/** Reads a member's load, again and again; the cache only where the user may (`serverStatus` is no required privilege). */
export class MemberLoadReader {
  readonly #logger: Logger;
  #mayReadCache = true;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** False once the server refused to tell about its cache. */
  get watchesCache(): boolean {
    return this.#mayReadCache;
  }

  /** @throws MemberStateChanged, SourceUnreachable, MissingPrivileges (replSetGetStatus) */
  async read(source: Source): Promise<MemberLoad> {
    const status = await memberCommand(source, 'admin', { replSetGetStatus: 1, initialSync: 0 });
    return {
      lagSeconds: lagOf(status['members'] as StatusMember[]),
      dirtyFraction: await this.#readCache(source),
    };
  }

  async #readCache(source: Source): Promise<number | undefined> {
    if (!this.#mayReadCache) return undefined;
    try {
      return await dirtyFraction(source);
    } catch (error) {
      if (!isHoldfastError(error, 'MissingPrivileges')) throw error;
      this.#mayReadCache = false;
      this.#logger.warn("the member's cache is not watched: the backup user lacks serverStatus on the cluster", {
        next: 'Give it the role that `holdfast roles` prints.',
      });
      return undefined;
    }
  }
}
