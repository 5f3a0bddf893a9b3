/**
 * A name that AWS will take. @throws at synth: a stack that fails in the middle of its deployment is worse.
 * @param longest characters that AWS allows
 */
export function checkedName(name: string, longest: number, what: string): string {
  if (name.length <= longest && /^[A-Za-z0-9_-]+$/.test(name)) return name;
  // eslint-disable-next-line no-restricted-syntax -- a fault of the synthesis, which ends with its message
  throw new Error(
    `"${name}" can't be the name of ${what}: AWS allows ${longest} letters, digits, - and _; it has ${name.length}. Choose a shorter stage.`,
  );
}
