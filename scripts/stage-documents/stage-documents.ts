import { networkDocument } from './network-document.ts';
import { permissionsDocument } from './permissions-document.ts';
import { readStage } from './synthesised-stage.ts';
import { templateSnapshot } from './template-snapshot.ts';

/**
 * What is committed of a synthesised stage, by its path from the root.
 * @param template path of the template in its assembly
 * @throws Error when the stage holds what the documents can't explain: a grant without a purpose, an endpoint nobody needs
 */
export function stageDocuments(template: string): Readonly<Record<string, string>> {
  const stage = readStage(template);
  return {
    'docs/operator-guide/aws-permissions.md': permissionsDocument(stage),
    'docs/operator-guide/network.md': networkDocument(stage),
    'test/infra/stage-template.snapshot.yaml': templateSnapshot(template),
  };
}
