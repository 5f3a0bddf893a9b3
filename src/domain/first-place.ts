/**
 * The first of items in order of which something holds that holds of all after it, too; their number where it holds of none.
 * In as many steps as halving them takes.
 */
export function firstPlace<Item>(items: readonly Item[], holds: (item: Item) => boolean): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = items[middle];
    if (item !== undefined && holds(item)) high = middle;
    else low = middle + 1;
  }
  return low;
}
