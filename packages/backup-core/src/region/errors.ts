/** What a region can do wrong: a stable code, whether trying again by itself can help, and advice for the operator. */
export const regionErrors = {
  REGION_UNREACHABLE: {
    mayPass: true,
    advice:
      'Nothing needs doing: it is tried again, and the other region goes on meanwhile. Look at the link when it lasts.',
  },
  REGION_CLOCK: {
    mayPass: true,
    advice:
      "Set this host's clock (NTP): it is too far from the region's, and requests signed with it are refused.",
  },
  REGION_REFUSED: {
    mayPass: false,
    advice: "Check this region's credentials and what they allow; they may have been revoked or changed.",
  },
  REGION_BUCKET_MISSING: {
    mayPass: false,
    advice: 'Check the endpoint and the name of the bucket, and that nobody deleted it.',
  },
  REGION_FULL: {
    mayPass: false,
    advice: "Make room or raise the quota at this region's provider; objects wait on disk until then.",
  },
  REGION_LIED: {
    mayPass: false,
    advice: 'Do not count on this region until it is understood: what it holds is not what it acknowledged.',
  },
  REGION_NOT_FOUND: {
    mayPass: false,
    advice: 'Look whether the other region has the object, and whether somebody removed it here.',
  },
  REGION_UNSUITABLE: {
    mayPass: false,
    advice: 'This endpoint does not do what backups need of it; see the requirements of a region.',
  },
  FILE_CHANGED: {
    mayPass: false,
    advice: 'The file on this disk is not what was sealed: look at the disk, and take the backup anew.',
  },
} as const satisfies Record<string, { mayPass: boolean; advice: string }>;

export type RegionErrorCode = keyof typeof regionErrors;

export class RegionError extends Error {
  readonly code: RegionErrorCode;
  readonly region: string;
  readonly advice: string;
  /** Whether the same request may succeed later though nobody does anything. */
  readonly mayPass: boolean;

  /** `what` continues the region's name: "answers 503 (SlowDown)". */
  constructor(code: RegionErrorCode, region: string, what: string, options?: ErrorOptions) {
    super(`Region ${region} ${what}.`, options);
    this.name = 'RegionError';
    this.code = code;
    this.region = region;
    this.advice = regionErrors[code].advice;
    this.mayPass = regionErrors[code].mayPass;
  }
}

export function isRegionError(error: unknown, ...codes: RegionErrorCode[]): error is RegionError {
  return error instanceof RegionError && (codes.length === 0 || codes.includes(error.code));
}
