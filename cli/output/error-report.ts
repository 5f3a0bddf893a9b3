import { CommanderError } from 'commander';
import * as z from 'zod';
import { errorRegistry } from '../../src/domain/error-registry.ts';
import { HoldfastError, isHoldfastError } from '../../src/domain/errors.ts';
import { redactText } from '../../src/domain/mongodb-uri.ts';
import { printable, printableLines } from './printable.ts';

/** What commander refuses is wrong input like any other; its own text says what and where. */
function fromCommander(error: CommanderError, command: string): HoldfastError {
  const message = error.message.replace(/^error: /, '').replace(/\n\(/, ' (');
  return new HoldfastError('InvalidInput', error.code === 'commander.help' ? 'a command is missing' : message, {
    next: `See \`${command} --help\`.`,
    cause: error,
  });
}

/** Whatever was thrown, as an error of the registry: what nobody foresaw is Internal. */
export function toHoldfastError(error: unknown, command = 'holdfast'): HoldfastError {
  if (isHoldfastError(error)) return error;
  if (error instanceof CommanderError) return fromCommander(error, command);
  return new HoldfastError('Internal', error instanceof Error ? error.message : String(error), { cause: error });
}

const problemSchema = z.object({
  path: z.string(),
  line: z.number().nullish(),
  given: z.unknown().optional(),
  expected: z.string().optional(),
  next: z.string().optional(),
});
const detailsSchema = z.object({
  where: z.string().optional().catch(undefined),
  given: z.unknown().optional(),
  problems: z.array(problemSchema).optional().catch(undefined),
});

function asGiven(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function problemLines(problem: z.infer<typeof problemSchema>): readonly string[] {
  const { path, line, given, expected, next } = problem;
  return [
    `  - ${path === '' ? 'the file' : printable(path)}${typeof line === 'number' ? ` (line ${line})` : ''}`,
    ...(given === undefined ? [] : [`      given:    ${printable(asGiven(given))}`]),
    ...(expected === undefined ? [] : [`      expected: ${printable(expected)}`]),
    ...(next === undefined ? [] : [`      next:     ${printable(next)}`]),
  ];
}

/** The page that explains the error: an anchor of the generated docs/errors.md. */
export function documentationOf(error: HoldfastError): string {
  return `docs/errors.md#${error.code.toLowerCase()}`;
}

/** What is wrong, where, what was given, what to do next, code and page. Never a stack, unless asked for. */
export function renderError(error: HoldfastError, options: { readonly debug: boolean }): string {
  const { where, given, problems } = detailsSchema.parse(error.details);
  // A message that lists the problems itself, for callers that print nothing else, is not said twice.
  const message = problems?.length ? (error.message.split('\n')[0] ?? '') : error.message;
  const lines = [
    `error: ${indented(message)}`,
    ...(where === undefined ? [] : [`  where: ${printable(where)}`]),
    ...(given === undefined ? [] : [`  given: ${printable(asGiven(given))}`]),
    ...(problems ?? []).flatMap(problemLines),
    `  next:  ${indented(error.next)}`,
    `  code:  ${error.code} ${error.name}, ${documentationOf(error)}`,
  ];
  if (options.debug) lines.push(...stackLines(error));
  else if (error.name === 'Internal') lines.push('  HOLDFAST_DEBUG=1 shows where it happened.');
  return redactText(lines.join('\n'));
}

/** Lines after the first are set in, so that no text of others can start a line of ours. */
function indented(text: string): string {
  return printableLines(text).replaceAll('\n', '\n    ');
}

function stackLines(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return [];
  return [printableLines(error.stack ?? error.message), ...stackLines(error.cause)];
}

/** The same for machines: what `--output json` prints instead of the command's document. */
export function errorDocument(error: HoldfastError): object {
  const { name, code, message, next, details } = error;
  const kind = errorRegistry[name].kind;
  const document = { name, code, kind, message, next, details, documentation: documentationOf(error) };
  const redact = (_key: string, value: unknown) => (typeof value === 'string' ? redactText(value) : value);
  return JSON.parse(JSON.stringify({ error: document }, redact)) as object;
}
