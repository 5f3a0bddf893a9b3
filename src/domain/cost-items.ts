import type { Price } from './prices.ts';

export interface CostItem {
  readonly item: string;
  /** `deployment`: grows with its backups. `stage`: paid once, however many deployments there are. */
  readonly of: 'deployment' | 'stage';
  readonly quantity: number;
  /** What `usdEach` buys. */
  readonly per: string;
  readonly usdEach: number;
  readonly usd: number;
}

export function makeItem(name: string, of: CostItem['of'], quantity: number, { usd, per }: Price): CostItem {
  return { item: name, of, quantity, per, usdEach: usd, usd: quantity * usd };
}
