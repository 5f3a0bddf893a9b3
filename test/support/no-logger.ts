import type { Logger } from '../../src/application/ports/logger.ts';

export const noLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
