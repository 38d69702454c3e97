"""The audit: does each recording fit its movie, and do stimulus and response fit together?"""
