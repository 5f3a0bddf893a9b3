/** Strings by number, each once. */
export class NumberedNames {
  readonly all: string[] = [];
  readonly #numbers = new Map<string, number>();

  add(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    this.#numbers.set(name, this.all.length);
    return this.all.push(name) - 1;
  }

  find(name: string): number | undefined {
    return this.#numbers.get(name);
  }
}
