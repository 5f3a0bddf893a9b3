import { mkdir, readFile } from 'node:fs/promises';
import { DirectoryObjectStore } from '../src/adapters/directory/directory-object-store.ts';
import { artifactKeys } from '../src/domain/names.ts';
import { type FileIndex, readFileIndex } from '../src/engine/packs/file-index.ts';
import { layFiles } from '../src/engine/recover/lay-files.ts';
import { measureSelf } from './measure-self.ts';

/** The files of one copy of bench/copy.ts, laid out again in a process of its own: folder of the packs, target, file that names the index. */
const [folder = '', directory = '', indexFile = ''] = process.argv.slice(2);
const store = new DirectoryObjectStore({ root: folder, description: 'bench' });
const partPrefix = artifactKeys.part('bench', 'bench', 'rs0');
await mkdir(directory);

await measureSelf(
  async () => {
    const written = JSON.parse(await readFile(indexFile, 'utf8')) as Parameters<typeof readFileIndex>[1];
    const index: FileIndex = await readFileIndex(store, written);
    const packs = { store, codec: index.codec, keyOf: (pack: string) => artifactKeys.pack(partPrefix, pack) };
    const deps = { signal: new AbortController().signal, onLaid: () => undefined };
    await layFiles({ directory, index, packs, parallel: 4 }, deps);
    return { files: index.files.length };
  },
  () => store.close(),
);
