export { type MongodProcess, readLog, startMongod } from '../../src/adapters/process/mongod-process.ts';
