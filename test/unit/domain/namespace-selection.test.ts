import { describe, expect, it } from 'vitest';
import { NamespaceSelection } from '../../../src/domain/namespace-selection.ts';

const targets = (selection: NamespaceSelection, names: readonly string[]) => names.map((ns) => selection.targetOf(ns));

describe('a selection of namespaces', () => {
  it('takes collections and whole databases, time-series with their buckets', () => {
    const selection = new NamespaceSelection(['shop.orders', 'crm.*', 'shop.weather'], []);
    const names = [
      'shop.orders',
      'shop.orders.old',
      'shopping.orders',
      'crm.a',
      'crm.system.js',
      'shop.system.buckets.weather',
    ];
    expect(targets(selection, names)).toEqual([
      ...['shop.orders', undefined, undefined, 'crm.a', 'crm.system.js', 'shop.system.buckets.weather'],
    ]);
    expect(selection.targetOf('crm.system.views')).toBeUndefined();
    expect(selection.scope).toEqual(['shop.orders', 'crm.*', 'shop.weather']);
  });

  it('renames the one before the whole', () => {
    const renames = [
      { from: 'shop.*', to: 'copy.*' },
      { from: 'shop.orders', to: 'other.orders_back' },
    ];
    const selection = new NamespaceSelection(['shop.*'], renames);
    expect(targets(selection, ['shop.a', 'shop.orders', 'shop.system.buckets.orders', 'crm.a'])).toEqual([
      ...['copy.a', 'other.orders_back', 'other.system.buckets.orders_back', undefined],
    ]);
    expect(selection.scope).toEqual(['copy.*', 'other.orders_back']);
  });

  it('takes everything where only renames are given, and fills the whole target', () => {
    const selection = new NamespaceSelection(undefined, [{ from: 'shop.*', to: 'copy.*' }]);
    expect(targets(selection, ['shop.a', 'crm.a'])).toEqual(['copy.a', 'crm.a']);
    expect(selection.scope).toBeUndefined();
  });

  it('takes one collection out of a database that is renamed', () => {
    const selection = new NamespaceSelection(['shop.orders'], [{ from: 'shop.*', to: 'copy.*' }]);
    expect(selection.scope).toEqual(['copy.orders']);
  });

  it.each([
    [['orders'], []],
    [['local.oplog.rs'], []],
    [['config.*'], []],
    [['shop.system.views'], []],
    [['admin.*'], []],
    [['shop.$cmd'], []],
    [['shop.*'], [{ from: 'shop.*', to: 'local.*' }]],
    [['shop.*'], [{ from: 'shop.*', to: 'copy.orders' }]],
    [['shop.*'], [{ from: 'crm.*', to: 'copy.*' }]],
    [undefined, [{ from: 'a.b', to: 'a.system.users' }]],
    [
      undefined,
      [
        { from: 'a.b', to: 'c.d' },
        { from: 'a.b', to: 'c.e' },
      ],
    ],
  ])('refuses %j renamed by %j', (namespaces, renames) => {
    expect(() => new NamespaceSelection(namespaces, renames)).toThrow(
      expect.objectContaining({ name: 'InvalidInput' }) as Error,
    );
  });
});
