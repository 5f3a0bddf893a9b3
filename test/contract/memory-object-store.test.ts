import { MemoryObjectStore } from '../../src/adapters/memory/memory-object-store.ts';
import { describeObjectStoreContract } from './object-store-contract.ts';

describeObjectStoreContract('MemoryObjectStore', () => Promise.resolve({ store: new MemoryObjectStore() }));
