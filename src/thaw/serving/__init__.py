"""The bundle at work. May import bundle, runtime and images, so that serving installs little."""
