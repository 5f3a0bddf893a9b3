/**
 * Names come from databases and config files that others write: a collection called "a\x1b[2Jb" must not clear the
 * screen, forge a log line or turn a text around. Everything that a terminal could act on is shown as an escape.
 */
// C0, DEL and C1 controls, line and paragraph separators, bidirectional and zero-width marks, lone surrogates.
const unsafe =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\p{Surrogate}|[\u{e0000}-\u{e007f}]/gu;

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}

/** The text with everything a terminal acts on written as `\x1b` or `\u{202e}`; one line whatever comes in. */
export function printable(text: string): string {
  return text.replace(unsafe, escapeCharacter);
}

/** As {@link printable} for a text of several lines: line feeds stay. */
export function printableLines(text: string): string {
  return text.split(/\r?\n/).map(printable).join('\n');
}

/** One JSON document whose text is as safe to print as {@link printable}: JSON.stringify leaves DEL, C1 and bidi marks as they are. */
export function safeJson(document: object): string {
  const text = JSON.stringify(document, null, 2);
  // Outside strings, JSON's text holds none of these but its own line feeds.
  return text.replace(unsafe, (character) => (character === '\n' ? character : jsonEscape(character)));
}

function jsonEscape(character: string): string {
  return Array.from({ length: character.length }, (_, unit) => character.charCodeAt(unit))
    .map((code) => `\\u${code.toString(16).padStart(4, '0')}`)
    .join('');
}
