"""Operations small enough to see through, one package for each protocol, for the tests of the edge."""
