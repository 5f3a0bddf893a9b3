import { costAssumptions, type CostForecast, type CostPolicy } from '../../src/domain/cost-forecast.ts';
import { workerTaskSize } from '../../src/domain/stage-sizes.ts';
import { renderFacts, renderTable } from './tables.ts';
import { formatBytes, formatCount, formatSeconds } from './units.ts';

/** `1,234`, `12.3`, `0.00045`: three figures where there are fewer than four. */
function formatQuantity(quantity: number): string {
  return quantity >= 1000 ? formatCount(Math.round(quantity)) : String(Number(quantity.toPrecision(3)));
}

function formatUsd(usd: number): string {
  return usd > 0 && usd < 0.005 ? '< 0.01' : usd.toFixed(2);
}

/** A month's cost by item, what it was counted with, and what had to be assumed. */
export function renderCost(forecast: CostForecast, policy: CostPolicy, assumptions: readonly string[]): string {
  const { items, usdPerMonth, usdOfDeployment, region, pricesDate } = forecast;
  const table = renderTable(
    ['item', 'paid for', 'a month', 'unit', 'USD a month'],
    [
      ...items.map(({ item, of, quantity, per, usd }) => [item, of, formatQuantity(quantity), per, formatUsd(usd)]),
      ['all', '', '', '', formatUsd(usdPerMonth)],
    ],
  );
  const facts = renderFacts([
    [
      'of the deployment',
      `${formatUsd(usdOfDeployment)} USD a month; the rest is the stage’s, once for all deployments`,
    ],
    ['backups', `${formatQuantity(policy.backupsPerMonth)} a month, ${formatQuantity(policy.backupsKept)} kept`],
    [
      'each',
      `${formatBytes(policy.rawBytes)} read, ${formatBytes(policy.storedBytes)} stored, ${formatSeconds(policy.dumpSeconds)}`,
    ],
    [
      'task',
      `${workerTaskSize.cpu / 1024} vCPU, ${workerTaskSize.memoryMiB / 1024} GB, arm64; ${costAssumptions.taskStartSeconds} s to start`,
    ],
    ['prices', `${region}, ${pricesDate}, on demand, without free tiers and taxes`],
  ]);
  return [table, facts, assumptions.map((text) => `- ${text}`).join('\n')].join('\n\n');
}
