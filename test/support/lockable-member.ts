import { type Document, type MongoClient, ObjectId } from 'mongodb';

/** A member as the commands about its lock see it: what mongod 6.0 answers, and nothing else of a server. */
export class LockableMember {
  lockCount = 0;
  /** Of the operation that holds the lock: another one for every lock. */
  opid = 100;
  /** Which start of the server it is. */
  process = '0123456789abcdef01234567';
  readonly commands: string[] = [];
  /** Before a command is answered. */
  before: (command: string) => Promise<void> = () => Promise.resolve();

  /** As somebody else does: a person, or another tool. */
  lock(): void {
    if (this.lockCount === 0) this.opid += 1;
    this.lockCount += 1;
  }

  unlock(): void {
    this.lockCount -= 1;
  }

  get client(): MongoClient {
    const command = (document: Document) => this.#answer(document);
    return { db: () => ({ command }), close: () => Promise.resolve() } as unknown as MongoClient;
  }

  async #answer(document: Document): Promise<Document> {
    const [name = ''] = Object.keys(document);
    await this.before(name);
    this.commands.push(name);
    if (name === 'currentOp') return { fsyncLock: this.lockCount > 0 };
    if (name === 'aggregate') {
      const firstBatch = this.lockCount > 0 ? [{ desc: 'fsyncLockWorker', opid: this.opid }] : [];
      return { cursor: { firstBatch } };
    }
    if (name === 'fsync') this.lock();
    else if (name === 'fsyncUnlock') {
      if (this.lockCount === 0) throw new Error('fsyncUnlock called when not locked');
      this.unlock();
    } else return { topologyVersion: { processId: new ObjectId(this.process) } };
    return { lockCount: this.lockCount };
  }
}
