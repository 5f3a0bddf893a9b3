export {
  type MongodOptions,
  type MongodProcess,
  readLog,
  startMongod,
} from '../../src/adapters/process/mongod-process.ts';
