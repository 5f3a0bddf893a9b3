import { connectDirect } from '../adapters/mongodb/connect.ts';
import { resolveCredentials, type ResolveCredentialsOptions } from '../adapters/mongodb/resolve-credentials.ts';
import type { ArchiveOplogDeps } from '../application/archive-turn.ts';
import { requireMember } from '../engine/source/require-member.ts';

/** Connects to one member, and makes sure that it is of the very set that was looked at. */
export function makeWithMember(credentials: ResolveCredentialsOptions = {}): Pick<ArchiveOplogDeps, 'withMember'> {
  return {
    withMember: async ({ deployment, host, ...set }, work, signal = new AbortController().signal) => {
      await using client = await connectDirect({
        host,
        settings: deployment,
        credentials: await resolveCredentials(deployment.credentials, credentials),
        appName: `holdfast archive ${deployment.name}`,
        signal,
      });
      const source = { client, member: host, signal };
      await requireMember(source, set);
      return await work(source);
    },
  };
}
