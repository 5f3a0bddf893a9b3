import { HoldfastError } from './errors.ts';

/** A `mongodb://` connection string, taken apart. Option names are lower case: the server family reads them so. */
export interface MongoUri {
  /** host:port, as written, with :27017 added where no port is given. */
  readonly hosts: readonly string[];
  readonly database: string | undefined;
  readonly options: ReadonlyMap<string, string>;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

const hidden = '[redacted]';
const secretOption = /password|mechanismproperties|token|secret/i;

function maskPorts(hosts: string): string {
  // What stands where a port belongs and is no number may be a password whose `@host` was forgotten.
  return hosts
    .split(',')
    .map((host) => host.replace(/^([^[\]]*?|\[[^\]]*\]):(?!\d{1,5}$).+$/, `$1:${hidden}`))
    .join(',');
}

/** A connection string that may be shown: without user, password and secret options, however badly it is written. */
export function redactUri(uri: string): string {
  const [, scheme = '', rest = uri] = /^([a-z][a-z0-9+.-]*:\/\/)(.*)$/is.exec(uri) ?? [];
  // The last @, not the first: a password with an unescaped @, / or ? must not leak its tail.
  const at = rest.lastIndexOf('@');
  const afterUser = rest.slice(at + 1);
  const end = afterUser.search(/[/?]/);
  const hosts = end < 0 ? afterUser : afterUser.slice(0, end);
  const tail = (end < 0 ? '' : afterUser.slice(end)).replace(
    /([?&;])([^=&;]*)=([^&;]*)/g,
    (whole, separator: string, name: string) => (secretOption.test(name) ? `${separator}${name}=${hidden}` : whole),
  );
  return `${scheme}${at < 0 ? '' : `${hidden}@`}${maskPorts(hosts)}${tail}`;
}

/** Any text, with every connection string in it redacted: for messages that come from the driver. */
export function redactText(text: string): string {
  return text.replace(/mongodb(?:\+srv)?:\/\/[^\s"'`<>]+/gi, redactUri);
}

function refuse(problem: string, next: string): never {
  throw new HoldfastError('InvalidInput', `The connection string is wrong: ${problem}.`, { next });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse(
      'a % in it does not start an escape',
      'Write % as %25, and escape : / ? # [ ] @ in user and password.',
    );
  }
}

function parseHost(text: string): string {
  const [, name, port] = /^(\[[0-9a-f:.%]+\]|[^:/?#[\]@\s]+)(?::(\d{1,5}))?$/i.exec(text) ?? [];
  if (name === undefined || Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535) {
    return refuse(
      `"${maskPorts(text)}" is no host or host:port`,
      'Write mongodb://host1:27017,host2:27017/?replicaSet=NAME.',
    );
  }
  return `${name}:${port ?? '27017'}`;
}

function parseOptions(query: string): Map<string, string> {
  const options = new Map<string, string>();
  for (const pair of query.split(/[&;]/).filter((text) => text !== '')) {
    const equals = pair.indexOf('=');
    const name = equals < 0 ? pair : pair.slice(0, equals);
    if (equals < 1) refuse(`the option "${name}" has no value`, 'Write options as name=value, joined by &.');
    options.set(name.toLowerCase(), decode(pair.slice(equals + 1)));
  }
  return options;
}

/** `user:password@host,host`, split at the @. */
function splitAuthority(authority: string): { user: string | undefined; hosts: string } {
  const at = authority.lastIndexOf('@');
  const user = at < 0 ? undefined : authority.slice(0, at);
  if (user?.includes('@')) refuse('there is more than one @', 'Write @ in user and password as %40.');
  return { user, hosts: authority.slice(at + 1) };
}

function parseUser(user: string | undefined): Pick<MongoUri, 'username' | 'password'> {
  if (user === undefined) return { username: undefined, password: undefined };
  const colon = user.indexOf(':');
  return colon < 0
    ? { username: decode(user), password: undefined }
    : { username: decode(user.slice(0, colon)), password: decode(user.slice(colon + 1)) };
}

/**
 * Takes a connection string apart (MongoDB's Connection String specification). `mongodb+srv` is not in this release.
 * @throws InvalidInput; the message never holds user or password.
 */
export function parseMongoUri(uri: string): MongoUri {
  if (/^mongodb\+srv:/i.test(uri)) {
    refuse('mongodb+srv is not in this release', 'List the hosts: mongodb://host1:27017,host2:27017/?replicaSet=NAME.');
  }
  const [, authority, path = '', query = ''] = /^mongodb:\/\/([^/?]*)(\/[^?]*)?(\?.*)?$/s.exec(uri) ?? [];
  if (authority === undefined) return refuse('it does not start with mongodb://', 'Write mongodb://host:port/.');
  if (path.includes('@')) refuse('an @ follows a /', 'Escape : / ? # [ ] @ in user and password.');
  const { user, hosts } = splitAuthority(authority);
  const database = decode(path.slice(1));
  return {
    hosts: hosts.split(',').map(parseHost),
    database: database === '' ? undefined : database,
    options: parseOptions(query.slice(1)),
    ...parseUser(user),
  };
}
