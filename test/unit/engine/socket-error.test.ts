import { MongoExpiredSessionError, MongoTopologyClosedError } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { targetError } from '../../../src/engine/restore/target-errors.ts';
import { sourceError } from '../../../src/engine/source/source-errors.ts';

describe('a socket that the server closed', () => {
  const broken = Object.assign(new Error('This socket has been ended by the other party'), { code: 'EPIPE' });

  it('is a source that does not answer, which a retry may find again', () => {
    expect(sourceError(broken, 'a:1', 'reading')).toMatchObject({ name: 'SourceUnreachable', retryable: true });
  });

  it('is a target that does not answer', () => {
    expect(targetError('an insert', broken)).toMatchObject({ name: 'TargetUnreachable' });
  });

  it('is a target that does not answer where the client was closed meanwhile', () => {
    for (const closed of [new MongoTopologyClosedError('closed'), new MongoExpiredSessionError('closed')])
      expect(targetError('an insert', closed)).toMatchObject({ name: 'TargetUnreachable' });
  });

  it('is told from a defect', () => {
    expect(sourceError(new TypeError('x is undefined'), 'a:1', 'reading')).toMatchObject({ name: 'Internal' });
    expect(targetError('an insert', new RangeError('x'))).toMatchObject({ name: 'Internal' });
  });
});
