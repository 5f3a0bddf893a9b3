import { bundleCode } from '../bundle-code.ts';
import { allFunctions, type AnyFunctionName } from './function-list.ts';

/** Bundles every function. @returns the folder of each */
export function bundleFunctions(outputFolder: string): Readonly<Record<AnyFunctionName, string>> {
  const names = Object.keys(allFunctions) as AnyFunctionName[];
  const entries = names.map((name) => [name, `lambdas/${allFunctions[name].folder}/handler.ts`] as const);
  return bundleCode(Object.fromEntries(entries) as Record<AnyFunctionName, string>, outputFolder);
}
