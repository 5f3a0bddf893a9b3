export { probeMongod } from '../../src/adapters/process/mongod-version.ts';
