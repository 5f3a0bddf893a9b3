/** Whether an AWS service answered with one of these errors (SDK v3: `name` is the error's code). */
export function hasName(error: unknown, names: readonly string[]): boolean {
  return error instanceof Error && names.includes(error.name);
}
