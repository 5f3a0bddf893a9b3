import { describeEveryMethod } from '../../support/workload/every-method-suite.ts';

describeEveryMethod('21-30', 5);
