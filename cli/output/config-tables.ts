import type { DeploymentCheck } from '../../src/application/check-deployment.ts';
import type { ConfigReport, StorageCheck } from '../../src/application/use-cases/check-config.ts';
import type { FailureRecord } from '../../src/domain/failure.ts';
import { type DeploymentSettings, type Settings, storagePlace } from '../../src/domain/settings.ts';
import { printable } from './printable.ts';
import { renderFacts, renderTable } from './tables.ts';
import { formatRate } from './units.ts';

/** What a config file that is right says, after defaults. */
export function renderSettings(path: string, settings: Settings): string {
  const deployments = Object.values(settings.deployments);
  const table = renderTable(
    ['deployment', 'uri', 'method', 'storage', 'limits'],
    deployments.map(({ name, uri, method, storage, limits, member }) => {
      const found = settings.storages[storage];
      return [
        name,
        uri,
        method ?? 'chosen by rule',
        `${storage}: ${found ? storagePlace(found) : ''}`,
        describeLimits(limits, member.maxLagSeconds),
      ];
    }),
  );
  return `${printable(path)} is right.\n${table}`;
}

/** What bounds the load on the member that is read, one each line. */
function describeLimits({ parallel, bandwidth }: DeploymentSettings['limits'], maxLagSeconds: number): string[] {
  return [
    `${parallel} ${parallel === 1 ? 'collection' : 'collections'} at once`,
    bandwidth === undefined ? 'no bandwidth limit' : formatRate(bandwidth),
    `lag ${maxLagSeconds} s`,
  ];
}

/** What was found when the config was tried. */
export function renderReport({ storages, deployments, notChecked }: ConfigReport): string {
  const blocks = [storages.map(renderStorage), ...deployments.map((one) => [renderDeployment(one)])];
  return [...blocks, notChecked.map(renderNotChecked)]
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n');
}

const renderNotChecked = (what: string) => `not checked: ${printable(what)}`;

function renderStorage({ description, problem }: StorageCheck): string {
  const line = `${printable(description)}: ${problem === null ? 'an object was written, read and removed' : 'not usable'}`;
  return problem === null ? line : `${line}\n${renderProblem(problem)}`;
}

function renderProblem({ name, code, message, next }: FailureRecord): string {
  return [`  ${printable(message)}`, `  next:  ${printable(next)}`, `  code:  ${code} ${name}`].join('\n');
}

function renderDeployment(check: DeploymentCheck): string {
  const { name, kind, serverVersion, method } = check;
  const facts = renderFacts([
    ['deployment', name],
    ['found', kind === null ? 'nothing' : `${kind}, MongoDB ${serverVersion ?? 'of unknown version'}`],
    ...(method === null ? [] : ([['method', `${method.method}: ${method.reason}`]] as const)),
    ...check.parts.flatMap((part) => [
      ['would read', `${part.member}: ${part.memberReason}`] as const,
      ...(part.volume === null
        ? []
        : [['would copy', `${part.volume}${part.lock ? ', the member locked meanwhile' : ''}`] as const]),
      ...part.warnings.map((warning) => ['warning', warning] as const),
    ]),
  ]);
  const members = check.parts.map(({ verdicts }) =>
    renderTable(
      ['member', 'can be read', 'why'],
      verdicts.map(({ host, eligible, reason }) => [host, eligible ? 'yes' : 'no', reason]),
    ),
  );
  const missing = check.missingPrivileges.map((privilege) => `  missing: ${printable(privilege)}`);
  const commands = check.commands === null ? [] : [`In mongosh, this makes the role and a user:\n${check.commands}`];
  const unseen = check.notChecked === null ? [] : [renderNotChecked(check.notChecked)];
  return [facts, ...members, ...unseen, ...check.problems.map(renderProblem), ...missing, ...commands].join('\n');
}
