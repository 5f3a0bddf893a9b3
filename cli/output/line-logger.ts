import type { LogFields, Logger } from '../../src/application/ports/logger.ts';
import { redactText } from '../../src/domain/mongodb-uri.ts';
import type { TextSink } from '../environment.ts';
import { printable } from './printable.ts';

/** The product's log for a person: warnings and errors as lines; all of it with `verbose`, nothing below errors with `quiet`. */
export function makeLineLogger(
  sink: TextSink,
  { verbose, quiet }: { readonly verbose: boolean; readonly quiet: boolean },
): Logger {
  const write = (level: string) => (message: string, fields?: LogFields) => {
    sink.write(`${printable(redactText(`${level}: ${message}${fieldText(fields, verbose)}`))}\n`);
  };
  const nothing = () => undefined;
  return {
    debug: verbose ? write('debug') : nothing,
    info: verbose ? write('info') : nothing,
    warn: verbose || !quiet ? write('warning') : nothing,
    error: write('error'),
  };
}

/** What the end of the run says anyway, or every line would. */
const saidElsewhere = ['runId', 'code', 'next'];

function fieldText(fields: LogFields = {}, verbose: boolean): string {
  const shown = Object.entries(fields).filter(
    ([name, value]) => value !== undefined && (verbose || !saidElsewhere.includes(name)),
  );
  return shown.map(([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`).join('');
}
