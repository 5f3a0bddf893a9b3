import { Binary } from 'mongodb';

/** A collection's UUID as commands take it in place of a name. @param uuid 32 hex digits */
export function uuidValue(uuid: string): Binary {
  return new Binary(Buffer.from(uuid, 'hex'), Binary.SUBTYPE_UUID);
}
