import { describe, expect, it } from 'vitest';
import { prices, pricesDate, pricesRegion } from '../../../src/domain/prices.ts';

describe('prices', () => {
  it('are of one day and one region', () => {
    expect(new Date(pricesDate).toISOString()).toBe(`${pricesDate}T00:00:00.000Z`);
    expect(pricesRegion).toMatch(/^[a-z]+-[a-z]+-\d$/);
  });

  it('make arm64 cheaper than x86_64: it is what tasks run on unless told otherwise', () => {
    expect(prices.fargateVcpu.usd).toBeLessThan(prices.fargateVcpuX86.usd);
    expect(prices.fargateMemory.usd).toBeLessThan(prices.fargateMemoryX86.usd);
  });

  it.each([
    ['1,000 transitions of Step Functions', prices.stepFunctionsTransition.usd * 1000, 0.025],
    ['a task of 2 vCPU and 4 GB for an hour', prices.fargateVcpu.usd * 2 + prices.fargateMemory.usd * 4, 0.079],
    ['a terabyte stored for a month', prices.s3Storage.usd * 1024, 23.552],
    ['1,000 parts written', prices.s3Write.usd * 1000, 0.005],
    ['one interface endpoint in one zone for a month', prices.endpointHour.usd * 730, 7.3],
    ['a gateway to the internet for a month', prices.natHour.usd * 730, 32.85],
    ['10,000 calls of a key', prices.kmsRequest.usd * 10_000, 0.03],
  ])('say what %s costs', (_, usd, expected) => {
    expect(usd).toBeCloseTo(expected, 6);
  });
});
