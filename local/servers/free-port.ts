export { findFreePort } from '../../src/adapters/process/free-port.ts';
