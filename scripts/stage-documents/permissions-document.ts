import { grantsOfStage, type GrantRow, type RoleGrants } from './grants-of-stage.ts';
import type { SynthesisedStage } from './synthesised-stage.ts';
import { uncalledGrants, type UncalledGrant } from './uncalled-grants.ts';

/** docs/operator-guide/aws-permissions.md: every role of a stage, what it may do, and what for. */
export function permissionsDocument(stage: SynthesisedStage): string {
  const roles = grantsOfStage(stage);
  const sections = roles.map(({ role, trusts, rows }) =>
    [`### ${code(role)}`, '', `For ${code(trusts)}.`, '', ...tableOf(rows), ''].join('\n'),
  );
  return `# Permissions on AWS

Generated from a synthesised stage by \`npm run docs:generate\`; do not edit. It is a stage that has what a config may ask for: storage
\`primary\`, whose bucket the stack makes, storage \`shared\` in a bucket named \`team-backups\`, and endpoints. \`<account>\`, \`<region>\` and
\`<stage>\` are yours; other names in angle brackets are made by CloudFormation. No action holds a \`*\`; where a resource does, the last
column says why. Permissions in MongoDB are in [permissions](permissions.md).

The calls that functions and worker made in executed runs (\`test/e2e/aws-stage.test.ts\`, \`test/full/aws-stage-*.test.ts\`) are compared with
their roles: a call that a role does not allow fails the test, and so does a grant that is never called and not in the last table.

## Roles

${sections.join('\n')}
## Granted, and rarely called

Every other grant is called by the runs of \`npm test\`. These are called by the long runs that are named (\`npm run test:full\`), or by none
that is executed.

${uncalledTable(roles).join('\n')}
`;
}

function tableOf(rows: readonly GrantRow[]): readonly string[] {
  if (rows.length === 0) return ['Nothing.'];
  return [
    '| what for | actions | on | only when | why `*` |',
    '|---|---|---|---|---|',
    ...rows.map(
      ({ purpose, actions, resources, condition, because }) =>
        `| ${purpose} | ${list(actions)} | ${list(resources)} | ${condition === '' ? '' : code(condition)} | ${because} |`,
    ),
  ];
}

function uncalledTable(roles: readonly RoleGrants[]): readonly string[] {
  const rows = uncalledGrants.map((entry) => {
    const holders = entry.roles === 'every role' ? ['every role that has it'] : entry.roles.map(code);
    demandGranted(entry, roles);
    const executed = entry.calledIn === undefined ? '' : code(`aws-stage-${entry.calledIn}`);
    return `| ${entry.reason} | ${list(entry.actions)} | ${holders.join(', ')} | ${executed} |`;
  });
  return ['| when it is | actions | roles | executed in |', '|---|---|---|---|', ...rows];
}

/** @throws Error for an entry that is out of date */
function demandGranted({ roles: named, actions }: UncalledGrant, roles: readonly RoleGrants[]): void {
  if (named === 'every role') return;
  for (const name of named) {
    const granted = roles.find(({ role }) => role === name)?.rows.flatMap((row) => row.actions) ?? [];
    if (!actions.some((action) => granted.includes(action))) {
      throw new Error(`uncalled-grants.ts: ${name} is granted none of ${actions.join(', ')}`);
    }
  }
}

function list(texts: readonly string[]): string {
  return texts.map(code).join('<br>');
}

function code(text: string): string {
  return `\`${text}\``;
}
