declare module 'asl-validator' {
  /** Checks a definition against JSON schemas and its ways between states; the package has no types of its own. */
  export default function aslValidator(
    definition: unknown,
    options?: { readonly checkPaths?: boolean; readonly checkArn?: boolean },
  ): { readonly isValid: boolean; readonly errors: readonly { readonly message: string }[] };
}
