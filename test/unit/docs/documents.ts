import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export const root = join(import.meta.dirname, '..', '..', '..');

/** The project's documents, by their path from the root. */
export const documents: readonly string[] = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name))),
].sort();

export function readDocument(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** Lines of fenced shell blocks without comments, and inline code. */
export function codeOf(markdown: string): readonly string[] {
  // Indented, too: below an item of a list.
  const blocks = [...markdown.matchAll(/^ *```sh\n(.*?)^ *```/gms)].flatMap((match) => (match[1] ?? '').split('\n'));
  const prose = markdown.replace(/^ *```.*?^ *```/gms, '');
  const inline = [...prose.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '');
  return [...blocks, ...inline].map((line) => line.replace(/\s+# .*$/, '').trim()).filter((line) => line !== '');
}

/** The arguments of a `holdfast …` command, split as a shell does without expanding; undefined for anything else. */
export function holdfastArguments(code: string): readonly string[] | undefined {
  return argumentsOf(/^(?:npx )?holdfast (\S.*)$/.exec(code)?.[1]);
}

/** Splits as a shell does without expanding. */
export function argumentsOf(text: string | undefined): readonly string[] | undefined {
  return text?.match(/"[^"]*"|'[^']*'|\S+/g)?.map((word) => word.replace(/^(["'])(.*)\1$/, '$2'));
}

/** Ids that a link into a document may name: its headings, as GitHub makes them, and explicit anchors. */
export function anchorsOf(markdown: string): readonly string[] {
  const headings = [...markdown.matchAll(/^#+ (.+)$/gm)].map((match) =>
    (match[1] ?? '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );
  return [...headings, ...[...markdown.matchAll(/<a id="([^"]+)">/g)].map((match) => match[1] ?? '')];
}
